// The one codec: any described struct of this room to JSON and back.
//
// Reading is tolerant on purpose: a member that is absent keeps its default and one that is unknown is
// dropped, because a snapshot travels between binaries of different versions, in both directions. A
// member of the wrong type is an error that names its path.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace baton::model {

// Instantiated in codec.cpp for the types that travel; a new one is added there.
template <class T>
std::string encode(const T& value);
template <class T>
Result<T> decode(std::string_view json);

}  // namespace baton::model
