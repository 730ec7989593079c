#include "surroundings.h"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/json.hpp>

extern char** environ;

namespace baton::test_server {
namespace json = boost::json;

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    while (begin <= text.size()) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        parts.push_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

Result<Inherited> describe_socket(int descriptor) {
    Inherited socket{.descriptor = descriptor};
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        return Error::system("look at the inherited descriptor " + std::to_string(descriptor), errno);
    socket.datagram = type == SOCK_DGRAM;
    size = sizeof socket.family;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &socket.family, &size) != 0)
        return Error::system("look at the inherited descriptor " + std::to_string(descriptor), errno);
    return socket;
}

Result<Inherited> open_port() {
    const std::string port = variable("PORT");
    Inherited socket{.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .family = AF_INET, .name = "port"};
    const int on = 1;
    ::setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port.empty() ? 8000 : std::atoi(port.c_str())));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return Error::system("bind 127.0.0.1:" + port, errno);
    if (::listen(socket.descriptor, 1024) != 0) return Error::system("listen", errno);
    return socket;
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// "Name:\tvalue" lines, as in /proc/self/status.
json::object fields_of(const std::string& text) {
    json::object fields;
    for (const std::string& line : split(text, '\n')) {
        const std::size_t colon = line.find(":\t");
        if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 2);
    }
    return fields;
}

json::object open_descriptors() {
    json::object descriptors;
    DIR* folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return descriptors;
    const std::string own = std::to_string(::dirfd(folder));
    while (const dirent* entry = ::readdir(folder)) {
        if (entry->d_name[0] == '.' || entry->d_name == own) continue;
        std::error_code ignored;
        descriptors[entry->d_name] =
            std::filesystem::read_symlink(std::string("/proc/self/fd/") + entry->d_name, ignored).string();
    }
    ::closedir(folder);
    return descriptors;
}

}  // namespace

Identity identity_of_this_process() {
    return {variable("BATON_SERVICE"), variable("BATON_INSTANCE"), variable("BATON_VERSION"), ::getpid()};
}

Result<std::vector<Inherited>> listening_sockets() {
    std::vector<Inherited> sockets;
    if (variable("LISTEN_PID") != std::to_string(::getpid()) || variable("LISTEN_FDS").empty()) {
        Result<Inherited> own = open_port();
        if (!own) return own.error();
        sockets.push_back(*own);
        return sockets;
    }
    const int count = std::atoi(variable("LISTEN_FDS").c_str());
    const std::vector<std::string> names = split(variable("LISTEN_FDNAMES"), ':');
    for (int index = 0; index < count; ++index) {
        Result<Inherited> socket = describe_socket(3 + index);
        if (!socket) return socket.error();
        if (static_cast<std::size_t>(index) < names.size()) socket->name = names[static_cast<std::size_t>(index)];
        sockets.push_back(*socket);
    }
    return sockets;
}

void notify(const std::string& message) {
    const std::string path = variable("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path.front() == '@') address.sun_path[0] = '\0';
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    if (::sendto(socket, message.data(), message.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size) < 0)
        ::perror("notify");
    ::close(socket);
}

std::string describe_surroundings(int argc, char** argv) {
    json::object all;
    all["descriptors"] = open_descriptors();
    all["status"] = fields_of(read_file("/proc/self/status"));
    json::object environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const std::size_t sign = text.find('=', 1);  // a name may begin with '='
        environment[text.substr(0, sign)] = sign == std::string::npos ? "" : text.substr(sign + 1);
    }
    all["environment"] = environment;
    json::array names;  // with repetitions, which the object above cannot show
    for (char** entry = environ; *entry != nullptr; ++entry) names.push_back(json::value(*entry));
    all["environment_block"] = names;
    json::array arguments;
    for (int index = 0; index < argc; ++index) arguments.push_back(json::value(argv[index]));
    all["arguments"] = arguments;
    all["directory"] = std::filesystem::current_path().string();
    all["limits"] = read_file("/proc/self/limits");
    all["cgroup"] = read_file("/proc/self/cgroup");
    all["pid"] = ::getpid();
    all["parent"] = ::getppid();
    all["group"] = ::getpgrp();
    all["session"] = ::getsid(0);
    return json::serialize(all);
}

}  // namespace baton::test_server
