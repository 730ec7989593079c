#include "table.h"

#include <algorithm>

#include "base/check.h"

namespace baton::cli {

Table::Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

void Table::add(std::vector<Cell> cells) {
    CHECK(cells.size() == headings_.size());
    for (Cell& cell : cells) cell.text = cell.text.empty() ? "-" : harmless(cell.text);
    rows_.push_back({std::move(cells), {}});
}

void Table::note(std::string text, Colour colour) {
    rows_.push_back({{}, {"  " + harmless(text), colour}});
}

void Table::drop(const std::string& heading) {
    const auto found = std::ranges::find(headings_, heading);
    if (found == headings_.end()) return;
    const auto column = found - headings_.begin();
    headings_.erase(found);
    for (Row& row : rows_) {
        if (!row.cells.empty()) row.cells.erase(row.cells.begin() + column);
    }
}

std::string Table::render(const Terminal& terminal) const {
    std::vector<std::size_t> widths;
    for (std::size_t column = 0; column < headings_.size(); ++column) {
        std::size_t width = width_of(headings_[column]);
        for (const Row& row : rows_) {
            if (!row.cells.empty()) width = std::max(width, width_of(row.cells[column].text));
        }
        widths.push_back(width);
    }
    const auto line_of = [&](const std::vector<Cell>& cells) {
        std::string line;
        for (std::size_t column = 0; column < cells.size(); ++column) {
            const Cell& cell = cells[column];
            line += terminal.paint(cell.colour, cell.text);
            // The last column needs no padding.
            if (column + 1 < cells.size()) line.append(widths[column] - width_of(cell.text) + 2, ' ');
        }
        return line + "\n";
    };
    std::vector<Cell> first;
    for (const auto& heading : headings_) first.push_back({heading, Colour::strong});
    std::string text = line_of(first);
    for (const Row& row : rows_) {
        text +=
            row.cells.empty() ? terminal.paint(row.note.colour, row.note.text) + "\n" : line_of(row.cells);
    }
    return text;
}

}  // namespace baton::cli
