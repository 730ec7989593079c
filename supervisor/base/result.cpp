#include "base/result.h"

#include <cstring>
#include <stdexcept>

namespace baton {

Error::Error(std::string message, int code) : message_(std::move(message)), code_(code) {}

Error Error::system(std::string_view what, int code) {
    return Error(std::string(what) + ": " + std::strerror(code), code);
}

Error Error::context(std::string_view where) const {
    return Error(std::string(where) + ": " + message_, code_);
}

Error failed(std::string message) {
    return Error(std::move(message), 0);
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    // Reached only when value() is called on a failure: a bug of the caller.
    throw std::logic_error("unchecked error: " + error.message());
}

}  // namespace baton
