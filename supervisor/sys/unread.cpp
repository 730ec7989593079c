#include "sys/unread.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace baton::sys {

std::size_t unread(const UniqueFd& channel) {
    int bytes = 0;
    if (::ioctl(channel.get(), SIOCOUTQ, &bytes) != 0 || bytes < 0) return 0;
    return static_cast<std::size_t>(bytes);
}

}  // namespace baton::sys
