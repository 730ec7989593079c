// A table whose columns are as wide as what stands in them.
#pragma once

#include <string>
#include <vector>

#include "terminal.h"

namespace baton::cli {

struct Cell {
    std::string text;  // empty: shown as "-"
    Colour colour = Colour::none;
};

class Table {
  public:
    explicit Table(std::vector<std::string> headings);

    // As many cells as there are headings.
    void add(std::vector<Cell> cells);
    // A line of its own below the last row, indented.
    void note(std::string text, Colour colour);
    // The column of this heading is left out.
    void drop(const std::string& heading);

    std::string render(const Terminal& terminal) const;

  private:
    struct Row {
        std::vector<Cell> cells;  // empty: a note
        Cell note;
    };
    std::vector<std::string> headings_;
    std::vector<Row> rows_;
};

}  // namespace baton::cli
