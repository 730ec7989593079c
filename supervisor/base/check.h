// CHECK states what must hold for the program to make sense. It is always on: a supervisor that goes
// on with a broken invariant is worse than one that is replaced from its last snapshot.
#pragma once

namespace baton {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace baton

#define CHECK(expression) \
    ((expression) ? static_cast<void>(0) : ::baton::check_failed(#expression, __FILE__, __LINE__))
