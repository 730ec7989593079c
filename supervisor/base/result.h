// What a function that can fail returns, and what a failure says.
//
// An Error tells what was attempted on what and why it failed: "bind 127.0.0.1:80: address already in
// use". It is written once where it happens; callers add context in front with `context()`; it is
// logged where it is handled. Exceptions of third-party libraries stop in the file that includes them.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

namespace baton {

class Error {
  public:
    Error() = default;
    // Two arguments on purpose: were an Error made from a string alone, a Result<std::string> could not
    // tell a value from a failure. Without an errno use failed().
    Error(std::string message, int code);

    // `what` failed with errno `code`: "what: strerror(code)".
    static Error system(std::string_view what, int code);

    const std::string& message() const { return message_; }
    // The errno behind the failure, or 0.
    int code() const { return code_; }

    // The same failure seen from one level up: "where: message".
    Error context(std::string_view where) const;

  private:
    std::string message_;
    int code_ = 0;
};

// An Error without an errno.
Error failed(std::string message);

[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& at);

template <class T>
using Result = boost::system::result<T, Error>;

}  // namespace baton
