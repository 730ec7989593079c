#include "sys/file.h"

#include <fcntl.h>

#include <cerrno>

#include "sys/descriptor.h"

namespace baton::sys {

Result<void> test_readable(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) return Error::system("read " + path, errno);
    return {};
}

}  // namespace baton::sys
