// A memory file that is mapped and shared with other processes.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"
#include "sys/descriptor.h"

namespace baton::sys {

class Mapping {
  public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Mapping& operator=(Mapping&& other) noexcept;
    ~Mapping();

    // The whole file, readable and writable, shared. The file must be a memory file whose size is
    // sealed (seal_size): nobody can then shorten it, which would turn an access into a SIGBUS.
    static Result<Mapping> map(const UniqueFd& file);

    std::span<std::byte> bytes() const { return bytes_; }

  private:
    explicit Mapping(std::span<std::byte> bytes) : bytes_(bytes) {}
    std::span<std::byte> bytes_;
};

// From here on nobody can change the size of the memory file.
Result<void> seal_size(const UniqueFd& file);

}  // namespace baton::sys
