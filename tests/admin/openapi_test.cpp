// docs/openapi.yaml names the methods that exist, path by path.
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "client.h"
#include "running.h"

namespace baton::test {
namespace {

// The methods of each path, as the API's Allow header would list them.
std::map<std::string, std::string> documented() {
    std::ifstream file(std::string(BATON_SOURCE_DIR) + "/docs/openapi.yaml");
    std::map<std::string, std::string> paths;
    std::string path;
    for (std::string line; std::getline(file, line) && line != "components:";) {
        if (line.starts_with("  /") && line.ends_with(':')) path = line.substr(2, line.size() - 3);
        const std::string allow = line == "    get:" ? "GET, HEAD" : line == "    post:" ? "POST" : "";
        if (allow.empty()) continue;
        std::string& all = paths[path];
        all += all.empty() ? allow : ", " + allow;
    }
    return paths;
}

std::string with_arguments(std::string path) {
    for (const auto& [name, value] : {std::pair{"{service}", "web"}, std::pair{"{ordinal}", "1"}}) {
        const auto at = path.find(name);
        if (at != std::string::npos) path.replace(at, std::string(name).size(), value);
    }
    return path;
}

class OpenApi : public Running {};

TEST_F(OpenApi, describes_what_exists) {
    start();
    const auto paths = documented();
    EXPECT_EQ(paths.size(), 33U);
    for (const auto& [path, allow] : paths) {
        Client client(this->path());
        client.send("DELETE " + with_arguments(path) + " HTTP/1.1\r\nHost: b\r\n\r\n");
        auto response = client.response();
        ASSERT_TRUE(response);
        EXPECT_EQ(response->status, 405) << path;
        EXPECT_EQ(response->headers["allow"], allow) << path;
    }
}

}  // namespace
}  // namespace baton::test
