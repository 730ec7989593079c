// Many reasons in one sentence, which stays one that can be read.
#pragma once

#include <string>
#include <vector>

namespace baton {

// "first; second; ...", and how many more there are behind the first eight.
std::string in_one_sentence(const std::vector<std::string>& reasons);

}  // namespace baton
