// A plugin's file as it was read once: a private copy in sealed memory, so that whatever becomes of the file
// does not concern what was loaded from it. It can be handed to another process.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::strategy {

struct Image {
    std::string file;      // where it was read; for people
    sys::UniqueFd memory;  // sealed
    // Of its bytes; never 0, its lowest bits are (model::Breadcrumb). The same bytes are the same plugin in
    // every process.
    std::uint64_t fingerprint = 0;
    std::size_t bytes = 0;
    std::size_t other_exports = 0;
};

// Reads and looks at it, without running anything of it. An error begins with the file.
Result<Image> read_image(const std::string& file);
// The same for a copy that another process made.
Result<Image> take_image(std::string file, sys::UniqueFd memory);
Result<Image> duplicate(const Image& image);

}  // namespace baton::strategy
