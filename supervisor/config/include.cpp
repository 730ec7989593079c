#include "config/include.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "config/values.h"

namespace baton::config {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

bool has_wildcards(const std::string& pattern) {
    return pattern.find_first_of("*?[") != std::string::npos;
}

// The prefix is a path, not a pattern.
std::string escaped(const std::string& path) {
    std::string result;
    for (const char c : path) {
        if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

// A folder that is not there matches nothing; one that cannot be read must not look the same.
int stop_unless_absent(const char*, int code) {
    return code == ENOENT ? 0 : 1;
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    // Asked first: opening a FIFO would wait for its writer.
    std::error_code ec;
    const auto status = std::filesystem::status(path, ec);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        return failed("it is not a regular file");
    }
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
    if (!file) return Error::system("it cannot be opened", errno);
    std::string text;
    std::string block(64 * 1024, '\0');
    for (;;) {
        const std::size_t count = std::fread(block.data(), 1, block.size(), file.get());
        if (count == 0) break;
        text.append(block, 0, count);
        if (text.size() > limit) return failed("it is too large");
    }
    if (std::ferror(file.get()) != 0) return Error::system("it cannot be read", errno);
    return text;
}

Result<std::vector<std::string>> expand(const std::string& pattern, const std::string& prefix) {
    if (!has_wildcards(pattern)) return std::vector<std::string>{below(prefix, pattern)};
    const std::string whole = pattern.starts_with('/') ? pattern : below(escaped(prefix), pattern);
    glob_t found{};
    const int status = ::glob(whole.c_str(), GLOB_NOSORT, stop_unless_absent, &found);
    std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
    ::globfree(&found);
    if (status == GLOB_ABORTED) return failed("a folder on its way cannot be read");
    if (status == GLOB_NOSPACE) return failed("it matches too much");
    std::sort(files.begin(), files.end());
    return files;
}

bool same_file(const std::string& left, const std::string& right) {
    std::error_code ec;
    return std::filesystem::equivalent(left, right, ec) && !ec;
}

}  // namespace baton::config
