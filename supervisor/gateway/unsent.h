// Bytes that a stream did not take yet.
#pragma once

#include <cstddef>
#include <vector>

namespace baton::gateway {

struct Unsent {
    std::vector<char> bytes;
    std::size_t from = 0;  // those before it are gone
};

}  // namespace baton::gateway
