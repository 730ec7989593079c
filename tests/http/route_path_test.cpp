// The path that routes are matched with: each spelling of one path is that path, and none is another.
#include "http/route_path.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

namespace baton::http {
namespace {

std::string of(std::string_view path) {
    std::string room;
    const auto found = route_path(path, room);
    return found ? std::string(*found) : "none";
}

TEST(RoutePath, IsTheSameForEachSpelling) {
    for (const char* path : {"/api/x", "/%61pi/x", "/%61%70%69%2fx", "/%61%70%69%2Fx", "//api/x", "/api//x", "/./api/./x", "/x/../api/x", "/api/y/../x",
                             "/../api/x", "/../../api/x", "/x/%2e%2e/api/x", "/x/%2E./api/x", "/x/y/../../api/x", "/x/y//../..//api/x",
                             "/api/x?a=/../b%", "/%2e/api/x?"}) {
        EXPECT_EQ(of(path), "/api/x") << path;
    }
}

TEST(RoutePath, KeepsWhatMeansSomething) {
    for (const auto& [path, expected] : std::vector<std::pair<const char*, const char*>>{{"/", "/"}, {"*", "*"}, {"//", "/"}, {"/.", "/"}, {"/..", "/"}, {"/../", "/"}, {"/?x", "/"}, {"/api/", "/api/"},
                                         {"/api//", "/api/"}, {"/api/.", "/api/"}, {"/api/x/..", "/api/"}, {"/api/..", "/"}, {"/api/../", "/"}, {"/api%2f", "/api/"},
                                         {"/...", "/..."}, {"/.api", "/.api"}, {"/..api/x.", "/..api/x."}, {"/a%20b", "/a b"}, {"/a%3fb", "/a?b"},
                                         {"/a%2525", "/a%25"}, {"/a+b", "/a+b"}, {"/API", "/API"}, {"/%C3%A4", "/\xC3\xA4"}}) {
        EXPECT_EQ(of(path), expected) << path;
    }
}

TEST(RoutePath, IsNoneWhereItCannotBeDecoded) {
    for (const char* path : {"/%", "/100%", "/%6", "/%zz", "/%6g", "/%g6", "/%%61", "/a%00b", "/x/../%", "/% 61"}) EXPECT_EQ(of(path), "none") << path;
}

TEST(RoutePath, IsItsOwnRoutePath) {
    // Each path of so many pieces.
    const std::array<std::string_view, 7> pieces{"/", ".", "..", "a", "%2e", "%2f", "//"};
    for (std::size_t number = 0; number < 7 * 7 * 7 * 7 * 7; ++number) {
        std::string path = "/";
        for (std::size_t left = number; left > 0; left /= 7) path += pieces[left % 7];
        const std::string found = of(path);
        EXPECT_EQ(of(found), found) << path;
        EXPECT_TRUE(found.starts_with('/')) << path;
    }
}

}  // namespace
}  // namespace baton::http
