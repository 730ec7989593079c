// Lists of what a worker owns and what ends in any order: each record knows its place, its `index`, and the last
// one moves to the place of the one that ends.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace baton::gateway {

template <class Record>
std::unique_ptr<Record> take_out(std::vector<std::unique_ptr<Record>>& all, const Record& record) {
    const auto index = record.index;
    std::unique_ptr<Record> taken = std::move(all[index]);
    if (std::size_t{index} + 1 < all.size()) {
        all[index] = std::move(all.back());
        all[index]->index = index;
    }
    all.pop_back();
    return taken;
}

}  // namespace baton::gateway
