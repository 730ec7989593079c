#include "engine/pid_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "sys/process.h"

namespace baton::engine {

PidFile::PidFile(std::string path) : path_(std::move(path)), aside_(path_ + ".oldbin") {}

Result<void> PidFile::write_to(const std::string& path) const {
    const std::string fresh = path + ".new";
    {
        std::ofstream file(fresh, std::ios::trunc);
        file << ::getpid() << "\n";
        file.flush();
        if (!file) return Error::system("write pid file " + fresh, errno);
    }
    if (std::rename(fresh.c_str(), path.c_str()) != 0) return Error::system("write pid file " + path, errno);
    return {};
}

Result<void> PidFile::write() { return write_to(path_); }
Result<void> PidFile::write_aside() { return write_to(aside_); }

Result<void> PidFile::set_aside() {
    if (std::rename(path_.c_str(), aside_.c_str()) != 0) return Error::system("rename " + path_ + " to " + aside_, errno);
    return {};
}

Result<void> PidFile::restore() {
    if (std::rename(aside_.c_str(), path_.c_str()) == 0) return {};
    if (errno == ENOENT) return write();
    return Error::system("rename " + aside_ + " to " + path_, errno);
}

std::optional<pid_t> PidFile::other() const {
    std::ifstream file(path_);
    pid_t pid = 0;
    if (!(file >> pid) || pid == ::getpid() || !sys::title_of(pid).starts_with("batond: ")) return {};
    return pid;
}

void PidFile::remove() {
    std::ifstream file(path_);
    pid_t pid = 0;
    if (file >> pid && pid == ::getpid()) std::remove(path_.c_str());
}

void PidFile::remove_aside() { std::remove(aside_.c_str()); }

}  // namespace baton::engine
