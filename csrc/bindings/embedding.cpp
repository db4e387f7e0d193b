#include "embedding/embedding.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>

#include "bindings/matrices.hpp"

namespace pyoptim::bindings {
namespace {

using Pair = std::pair<py::array, py::array>;

/// A matrix of so many rows and columns.
Matrix fitting(const py::array& array, const char* name, std::size_t rows, std::size_t columns,
               DType dtype, bool only_read = false) {
  const Matrix made = matrix(array, name, only_read);
  if (made.rows != rows || made.columns != columns || made.dtype != dtype)
    throw py::value_error(std::string(name) + ": expected " + std::to_string(rows) + " rows of " +
                          std::to_string(columns) + " of the tables' dtype, got shape " +
                          shape_text(array));
  return made;
}

/// Contiguous numbers of one type, as many as there are.
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
  penalty.share = share_of_rows(penalty.weights, rows);
  return penalty;
}

// ---- Pairs ------------------------------------------------------------------------------------

/// The tables of a factorized matrix, found to fit each other.
struct CheckedPairs {
  PairTables tables{};
  DType dtype = DType::float32;
  std::size_t rows = 0;  // of the batch
  const std::int64_t* pairs = nullptr;

  CheckedPairs(const py::array& x, const Pair& factors, const Pair& bias,
               const std::optional<Pair>& seen) {
    pairs = numbers<std::int64_t>(x, "x");
    if (x.ndim() != 2 || x.shape(1) != 2)
      throw py::value_error("x: expected shape (rows, 2), got " + shape_text(x));
    rows = std::size_t(x.shape(0));
    for (int side = 0; side < 2; ++side) {
      const Matrix table = matrix(side == 0 ? factors.first : factors.second, "factors");
      if (side == 0) tables.rank = table.columns, dtype = table.dtype;
      tables.factors[side] = fitting(side == 0 ? factors.first : factors.second, "factors",
                                     table.rows, tables.rank, dtype)
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

void bound_pair_scores(const py::array& x, const Pair& factors, const Pair& bias,
                       const std::optional<Pair>& seen, double mean, const py::array& scores) {
  CheckedPairs checked(x, factors, bias, seen);
  checked.tables.mean = mean;
  void* const to = fitting(scores, "scores", checked.rows, 1, checked.dtype).data;
  const py::gil_scoped_release released;
  pair_scores(checked.dtype, checked.tables, checked.pairs, to, checked.rows);
}

double bound_pair_slopes(const py::array& x, const Pair& factors, const Pair& bias,
                         const py::array& slope, const std::optional<py::array>& weights, double l2,
                         const Pair& factor_values, const Pair& bias_values) {
  const CheckedPairs checked(x, factors, bias, std::nullopt);
  const std::size_t rows = checked.rows, rank = checked.tables.rank;
  const DType dtype = checked.dtype;
  const void* const d = fitting(slope, "grad", rows, 1, dtype, true).data;
  const RowPenalty penalty = row_penalty(l2, weights, rows);
  const RowValues to{{fitting(factor_values.first, "factor_values", rows, rank, dtype).data,
                      fitting(factor_values.second, "factor_values", rows, rank, dtype).data},
                     {fitting(bias_values.first, "bias_values", rows, 1, dtype).data,
                      fitting(bias_values.second, "bias_values", rows, 1, dtype).data}};
  const py::gil_scoped_release released;
  return pair_slopes(dtype, checked.tables, checked.pairs, d, penalty, to, rows);
}

// ---- Entries ----------------------------------------------------------------------------------

/// Entries of `rows` rows, which all are numbers of `count` rows of a table. Without offsets every
/// row has as many.
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

/// The tables of a factorization machine with the entries of a batch.
struct CheckedFeatures {
  FeatureTables tables{};
  Entries entries{};
  DType dtype = DType::float32;

  CheckedFeatures(const std::optional<py::array>& offsets, const py::array& ids,
                  const std::optional<py::array>& values, const py::array& weights,
                  const py::array& factors, std::size_t rows) {
    const Matrix table = matrix(factors, "factors");
    dtype = table.dtype;
    tables = {fitting(weights, "weights", table.rows, 1, dtype).data, table.data, 0, table.columns};
    entries = checked_entries(offsets, ids, values, rows, dtype, table.rows, "features");
  }
};

void bound_feature_scores(const std::optional<py::array>& offsets, const py::array& ids,
                          const std::optional<py::array>& values, const py::array& weights,
                          const py::array& factors, double bias, const py::array& sums,
                          const py::array& scores) {
  const Matrix to = matrix(scores, "scores");
  CheckedFeatures checked(offsets, ids, values, weights, factors, to.rows);
  checked.tables.bias = bias;
  fitting(scores, "scores", to.rows, 1, checked.dtype);
  void* const row_sums = fitting(sums, "sums", to.rows, checked.tables.rank, checked.dtype).data;
  const py::gil_scoped_release released;
  feature_scores(checked.dtype, checked.tables, checked.entries, row_sums, to.data);
}

double bound_feature_slopes(const std::optional<py::array>& offsets, const py::array& ids,
                            const std::optional<py::array>& values, const py::array& weights,
                            const py::array& factors, const py::array& sums, const py::array& slope,
                            const std::optional<py::array>& sample_weight, double l2,
                            const py::array& weight_values, const py::array& factor_values) {
  const Matrix d = matrix(slope, "grad", true);
  const CheckedFeatures checked(offsets, ids, values, weights, factors, d.rows);
  const DType dtype = checked.dtype;
  const std::size_t rank = checked.tables.rank;
  const auto size = std::size_t(ids.size());
  fitting(slope, "grad", d.rows, 1, dtype, true);
  const void* const row_sums = fitting(sums, "sums", d.rows, rank, dtype, true).data;
  const RowPenalty penalty = row_penalty(l2, sample_weight, d.rows);
  const RowValues to{{fitting(factor_values, "factor_values", size, rank, dtype).data, nullptr},
                     {fitting(weight_values, "weight_values", size, 1, dtype).data, nullptr}};
  const py::gil_scoped_release released;
  return feature_slopes(dtype, checked.tables, checked.entries, row_sums, d.data, penalty, to);
}

/// The columns of inputs, or of slopes by them, that belong to a table, and their entries.
struct CheckedBags {
  Matrix table, inputs;
  BagShape shape{};
  Entries entries{};
  void* first;  // of the columns

  CheckedBags(const std::string& what, const py::array& given, bool mean,
              const std::optional<py::array>& offsets, const py::array& ids,
              const std::optional<py::array>& values, const py::array& columns, std::size_t at,
              bool only_read)
      : table(matrix(given, "table")), inputs(matrix(columns, "inputs", only_read)) {
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

double bound_bag_slopes(const std::string& what, const py::array& table, bool mean,
                        const std::optional<py::array>& offsets, const py::array& ids,
                        const std::optional<py::array>& weights, const py::array& slope,
                        std::size_t at, const std::optional<py::array>& sample_weight, double l2,
                        const py::array& values) {
  const CheckedBags bags(what, table, mean, offsets, ids, weights, slope, at, true);
  const DType dtype = bags.table.dtype;
  const RowPenalty penalty = row_penalty(l2, sample_weight, bags.inputs.rows);
  void* const to =
      fitting(values, "values", std::size_t(ids.size()), bags.table.columns, dtype).data;
  const py::gil_scoped_release released;
  return bag_slopes(dtype, bags.table.data, bags.entries, bags.shape, bags.first, penalty, to);
}

/// Codes of fields become numbers of features: those of field j come after those of all before.
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

double sum(const py::array& slope) {
  const Matrix d = matrix(slope, "grad", true);
  return sum_of_slopes(d.dtype, d.data, d.rows * d.columns);
}

}  // namespace

void bind_factors(py::module_& module) {
  module.def("pair_scores", &bound_pair_scores, py::arg("x"), py::arg("factors"), py::arg("bias"),
             py::arg("seen").none(true), py::arg("mean"), py::arg("scores"),
             "mean + biases + product of factors, which is left out where one is not seen.");
  module.def("pair_grads", &bound_pair_slopes, py::arg("x"), py::arg("factors"), py::arg("bias"),
             py::arg("grad"), py::arg("weights").none(true), py::arg("l2"),
             py::arg("factor_values"), py::arg("bias_values"),
             "Writes gradients for each pair, and returns the penalty that is in them.");
  module.def("feature_scores", &bound_feature_scores, py::arg("offsets").none(true), py::arg("ids"),
             py::arg("values").none(true), py::arg("weights"), py::arg("factors"), py::arg("bias"),
             py::arg("sums"), py::arg("scores"),
             "The scores of a factorization machine, and what their gradients need.");
  module.def("feature_grads", &bound_feature_slopes, py::arg("offsets").none(true), py::arg("ids"),
             py::arg("values").none(true), py::arg("weights"), py::arg("factors"), py::arg("sums"),
             py::arg("grad"), py::arg("sample_weight").none(true), py::arg("l2"),
             py::arg("weight_values"), py::arg("factor_values"),
             "Writes gradients for each entry, and returns the penalty that is in them.");
  module.def("bag_inputs", &bound_bag_inputs, py::arg("what"), py::arg("table"), py::arg("mean"),
             py::arg("offsets").none(true), py::arg("ids"), py::arg("weights").none(true),
             py::arg("inputs"), py::arg("at"),
             "Writes sums or means of a table's rows to columns of inputs.");
  module.def("bag_grads", &bound_bag_slopes, py::arg("what"), py::arg("table"), py::arg("mean"),
             py::arg("offsets").none(true), py::arg("ids"), py::arg("weights").none(true),
             py::arg("grad"), py::arg("at"), py::arg("sample_weight").none(true), py::arg("l2"),
             py::arg("values"),
             "Writes gradients for each entry, and returns the penalty that is in them.");
  module.def("feature_numbers", &feature_numbers, py::arg("codes"), py::arg("sizes"),
             py::arg("features"), "Codes of fields become numbers of features.");
  module.def("grad_sum", &sum, py::arg("grad"), "The sum of all gradients, in a fixed order.");
}

}  // namespace pyoptim::bindings
