#include "embedding/embedding.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

using Pair = std::pair<py::array, py::array>;

/// A matrix with the given shape.
Matrix fitting(const py::array& array, const char* name, std::size_t rows, std::size_t columns,
               DType dtype, bool only_read = false) {
  const Matrix result = matrix(array, name, only_read);
  if (result.rows != rows || result.columns != columns || result.dtype != dtype)
    throw py::value_error(std::string(name) + ": expected " + std::to_string(rows) + " rows of " +
                          std::to_string(columns) + " of the tables' dtype, got shape " +
                          shape_text(array));
  return result;
}

/// A contiguous array of one number type.
template <class Number>
const Number* numbers(const py::array& array, const char* name) {
  if (!py::isinstance<py::array_t<Number>>(array) || !is_plain(array))
    throw py::type_error(std::string(name) + ": expected contiguous " +
                         std::string(py::str(py::dtype::of<Number>())) + ", got " +
                         dtype_text(array.dtype()));
  return static_cast<const Number*>(array.data());
}

RowPenalty row_penalty(double l2, const std::optional<py::array>& weights, std::size_t rows) {
  RowPenalty penalty{l2, 0, nullptr};
  if (l2 == 0) return penalty;
  if (weights) {
    penalty.weights = numbers<double>(*weights, "sample_weight");
    if (std::size_t(weights->size()) != rows)
      throw py::value_error("sample_weight: expected " + std::to_string(rows) + ", got " +
                            std::to_string(weights->size()));
  }
  penalty.scale = mean_scale(penalty.weights, rows);
  return penalty;
}

// ---- Pairs ------------------------------------------------------------------------------------

/// The tables of a factorized matrix, checked to fit each other.
struct CheckedPairs {
  PairTables tables{};
  DType dtype = DType::float32;
  std::size_t rows = 0;  // of the batch
  const std::int64_t* pairs = nullptr;

  CheckedPairs(const py::array& x, const Pair& embeddings, const Pair& bias,
               const std::optional<Pair>& seen) {
    pairs = numbers<std::int64_t>(x, "x");
    if (x.ndim() != 2 || x.shape(1) != 2)
      throw py::value_error("x: expected shape (rows, 2), got " + shape_text(x));
    rows = std::size_t(x.shape(0));
    for (int side = 0; side < 2; ++side) {
      const Matrix table = matrix(side == 0 ? embeddings.first : embeddings.second, "embeddings");
      if (side == 0) tables.rank = table.columns, dtype = table.dtype;
      tables.embeddings[side] = fitting(side == 0 ? embeddings.first : embeddings.second,
                                        "embeddings", table.rows, tables.rank, dtype)
                                    .data;
      tables.bias[side] =
          fitting(side == 0 ? bias.first : bias.second, "bias", table.rows, 1, dtype).data;
      if (seen)
        tables.seen[side] =
            fitting(side == 0 ? seen->first : seen->second, "seen", table.rows, 1, dtype).data;
      check_numbers(pairs + side, rows, 2, 1, table.rows, side == 0 ? "users" : "items");
    }
  }
};

void bound_pair_scores(const py::array& x, const Pair& embeddings, const Pair& bias,
                       const std::optional<Pair>& seen, double mean, const py::array& scores) {
  CheckedPairs checked(x, embeddings, bias, seen);
  checked.tables.mean = mean;
  void* const to = fitting(scores, "scores", checked.rows, 1, checked.dtype).data;
  const py::gil_scoped_release released;
  pair_scores(checked.dtype, checked.tables, checked.pairs, to, checked.rows);
}

double bound_pair_grads(const py::array& x, const Pair& embeddings, const Pair& bias,
                        const py::array& grad, const std::optional<py::array>& weights, double l2,
                        const Pair& embedding_values, const Pair& bias_values) {
  const CheckedPairs checked(x, embeddings, bias, std::nullopt);
  const std::size_t rows = checked.rows, rank = checked.tables.rank;
  const DType dtype = checked.dtype;
  const void* const d = fitting(grad, "grad", rows, 1, dtype, true).data;
  const RowPenalty penalty = row_penalty(l2, weights, rows);
  const RowValues to{{fitting(embedding_values.first, "embedding_values", rows, rank, dtype).data,
                      fitting(embedding_values.second, "embedding_values", rows, rank, dtype).data},
                     {fitting(bias_values.first, "bias_values", rows, 1, dtype).data,
                      fitting(bias_values.second, "bias_values", rows, 1, dtype).data}};
  const py::gil_scoped_release released;
  return pair_grads(dtype, checked.tables, checked.pairs, d, penalty, to, rows);
}

// ---- Entries ----------------------------------------------------------------------------------

/// The entries of `rows` batch rows, which refer to a table of `count` rows. Without offsets every
/// batch row has the same number of entries.
Entries checked_entries(const std::optional<py::array>& offsets, const py::array& ids,
                        const std::optional<py::array>& values, std::size_t rows, DType dtype,
                        std::size_t count, const std::string& what) {
  const auto size = std::size_t(ids.size());
  Entries entries{nullptr, numbers<std::int64_t>(ids, "ids"), nullptr, 0, rows};
  if (offsets) {
    entries.offsets = numbers<std::int64_t>(*offsets, "offsets");
    bool rises = std::size_t(offsets->size()) == rows + 1 && entries.offsets[0] == 0 &&
                 entries.offsets[rows] == std::int64_t(size);
    for (std::size_t i = 0; rises && i < rows; ++i)
      rises = entries.offsets[i] <= entries.offsets[i + 1];
    if (!rises)
      throw py::value_error("offsets: expected " + std::to_string(rows + 1) +
                            " that rise from 0 to " + std::to_string(size));
  } else {
    entries.each = rows > 0 ? size / rows : 0;
    if (entries.each * rows != size)
      throw py::value_error("ids: expected as many for each of " + std::to_string(rows) +
                            " rows, got " + std::to_string(size));
  }
  if (values) entries.values = fitting(*values, "values", size, 1, dtype, true).data;
  check_numbers(entries.ids, size, 1, entries.each, count, what);
  return entries;
}

/// The tables of a factorization machine, and the entries of a batch.
struct CheckedFeatures {
  FeatureTables tables{};
  Entries entries{};
  DType dtype = DType::float32;

  CheckedFeatures(const std::optional<py::array>& offsets, const py::array& ids,
                  const std::optional<py::array>& values, const py::array& weights,
                  const py::array& embeddings, std::size_t rows) {
    const Matrix table = matrix(embeddings, "embeddings");
    dtype = table.dtype;
    tables = {fitting(weights, "weights", table.rows, 1, dtype).data, table.data, 0, table.columns};
    entries = checked_entries(offsets, ids, values, rows, dtype, table.rows, "features");
  }
};

void bound_feature_scores(const std::optional<py::array>& offsets, const py::array& ids,
                          const std::optional<py::array>& values, const py::array& weights,
                          const py::array& embeddings, double bias, const py::array& sums,
                          const py::array& scores) {
  const Matrix to = matrix(scores, "scores");
  CheckedFeatures checked(offsets, ids, values, weights, embeddings, to.rows);
  checked.tables.bias = bias;
  fitting(scores, "scores", to.rows, 1, checked.dtype);
  void* const row_sums = fitting(sums, "sums", to.rows, checked.tables.rank, checked.dtype).data;
  const py::gil_scoped_release released;
  feature_scores(checked.dtype, checked.tables, checked.entries, row_sums, to.data);
}

double bound_feature_grads(const std::optional<py::array>& offsets, const py::array& ids,
                           const std::optional<py::array>& values, const py::array& weights,
                           const py::array& embeddings, const py::array& sums,
                           const py::array& grad, const std::optional<py::array>& sample_weight,
                           double l2, const py::array& weight_values,
                           const py::array& embedding_values) {
  const Matrix d = matrix(grad, "grad", true);
  const CheckedFeatures checked(offsets, ids, values, weights, embeddings, d.rows);
  const DType dtype = checked.dtype;
  const std::size_t rank = checked.tables.rank;
  const auto size = std::size_t(ids.size());
  fitting(grad, "grad", d.rows, 1, dtype, true);
  const void* const row_sums = fitting(sums, "sums", d.rows, rank, dtype, true).data;
  const RowPenalty penalty = row_penalty(l2, sample_weight, d.rows);
  const RowValues to{
      {fitting(embedding_values, "embedding_values", size, rank, dtype).data, nullptr},
      {fitting(weight_values, "weight_values", size, 1, dtype).data, nullptr}};
  const py::gil_scoped_release released;
  return feature_grads(dtype, checked.tables, checked.entries, row_sums, d.data, penalty, to);
}

/// The columns of a table in the inputs, or in the gradient by the inputs, and their entries.
struct CheckedBags {
  Matrix table, inputs;
  BagShape shape{};
  Entries entries{};
  void* first;  // of the columns

  CheckedBags(const std::string& what, const py::array& table_array, bool mean,
              const std::optional<py::array>& offsets, const py::array& ids,
              const std::optional<py::array>& values, const py::array& columns, std::size_t at,
              bool only_read)
      : table(matrix(table_array, "table")), inputs(matrix(columns, "inputs", only_read)) {
    if (inputs.dtype != table.dtype || at > inputs.columns || table.columns > inputs.columns - at)
      throw py::value_error("inputs: expected columns for those of the table, of its dtype");
    shape = {table.columns, inputs.columns, mean};
    entries = checked_entries(offsets, ids, values, inputs.rows, table.dtype, table.rows, what);
    first = static_cast<std::byte*>(inputs.data) + at * item_size(table.dtype);
  }
};

void bound_bag_inputs(const std::string& what, const py::array& table, bool mean,
                      const std::optional<py::array>& offsets, const py::array& ids,
                      const std::optional<py::array>& weights, const py::array& inputs,
                      std::size_t at) {
  const CheckedBags bags(what, table, mean, offsets, ids, weights, inputs, at, false);
  const py::gil_scoped_release released;
  bag_inputs(bags.table.dtype, bags.table.data, bags.entries, bags.shape, bags.first);
}

double bound_bag_grads(const std::string& what, const py::array& table, bool mean,
                       const std::optional<py::array>& offsets, const py::array& ids,
                       const std::optional<py::array>& weights, const py::array& grad,
                       std::size_t at, const std::optional<py::array>& sample_weight, double l2,
                       const py::array& values) {
  const CheckedBags bags(what, table, mean, offsets, ids, weights, grad, at, true);
  const DType dtype = bags.table.dtype;
  const RowPenalty penalty = row_penalty(l2, sample_weight, bags.inputs.rows);
  void* const to =
      fitting(values, "values", std::size_t(ids.size()), bags.table.columns, dtype).data;
  const py::gil_scoped_release released;
  return bag_grads(dtype, bags.table.data, bags.entries, bags.shape, bags.first, penalty, to);
}

/// Replaces the codes of fields by feature numbers: those of field j follow those of field j - 1.
void feature_numbers(const py::array& codes, const std::vector<std::int64_t>& sizes,
                     const py::array& features) {
  const std::int64_t* const from = numbers<std::int64_t>(codes, "x");
  if (codes.ndim() != 2 || std::size_t(codes.shape(1)) != sizes.size())
    throw py::value_error("x: expected shape (rows, " + std::to_string(sizes.size()) + "), got " +
                          shape_text(codes));
  check_shape(features, codes, "features");
  check_updatable(features, "features");
  auto* const to = const_cast<std::int64_t*>(numbers<std::int64_t>(features, "features"));
  const auto rows = std::size_t(codes.shape(0)), fields = sizes.size();
  std::int64_t before = 0;
  for (std::size_t j = 0; j < fields; before += sizes[j++]) {
    check_numbers(from + j, rows, fields, 1, std::size_t(sizes[j]),
                  "codes of field " + std::to_string(j));
    for (std::size_t i = j; i < rows * fields; i += fields) to[i] = from[i] + before;
  }
}

double sum(const py::array& grad) {
  const Matrix d = matrix(grad, "grad", true);
  return sum_of_grads(d.dtype, d.data, d.rows * d.columns);
}

}  // namespace

void bind_embedding(py::module_& module) {
  module.def(
      "pair_scores", &bound_pair_scores, py::arg("x"), py::arg("embeddings"), py::arg("bias"),
      py::arg("seen").none(true), py::arg("mean"), py::arg("scores"),
      "scores = mean + biases + dot product of embeddings, without the product for unseen ones.");
  module.def("pair_grads", &bound_pair_grads, py::arg("x"), py::arg("embeddings"), py::arg("bias"),
             py::arg("grad"), py::arg("weights").none(true), py::arg("l2"),
             py::arg("embedding_values"), py::arg("bias_values"),
             "Writes the gradients of each pair, and returns the penalty that they include.");
  module.def("feature_scores", &bound_feature_scores, py::arg("offsets").none(true), py::arg("ids"),
             py::arg("values").none(true), py::arg("weights"), py::arg("embeddings"),
             py::arg("bias"), py::arg("sums"), py::arg("scores"),
             "Writes the scores of a factorization machine, and the sums that its gradients need.");
  module.def("feature_grads", &bound_feature_grads, py::arg("offsets").none(true), py::arg("ids"),
             py::arg("values").none(true), py::arg("weights"), py::arg("embeddings"),
             py::arg("sums"), py::arg("grad"), py::arg("sample_weight").none(true), py::arg("l2"),
             py::arg("weight_values"), py::arg("embedding_values"),
             "Writes the gradients of each entry, and returns the penalty that they include.");
  module.def("bag_inputs", &bound_bag_inputs, py::arg("what"), py::arg("table"), py::arg("mean"),
             py::arg("offsets").none(true), py::arg("ids"), py::arg("weights").none(true),
             py::arg("inputs"), py::arg("at"),
             "Writes the sums or means of table rows to columns of inputs.");
  module.def("bag_grads", &bound_bag_grads, py::arg("what"), py::arg("table"), py::arg("mean"),
             py::arg("offsets").none(true), py::arg("ids"), py::arg("weights").none(true),
             py::arg("grad"), py::arg("at"), py::arg("sample_weight").none(true), py::arg("l2"),
             py::arg("values"),
             "Writes the gradients of each entry, and returns the penalty that they include.");
  module.def("feature_numbers", &feature_numbers, py::arg("codes"), py::arg("sizes"),
             py::arg("features"), "Converts the codes of fields to feature numbers.");
  module.def("grad_sum", &sum, py::arg("grad"), "Returns the sum of an array, in a fixed order.");
}

}  // namespace pyoptim::bindings
