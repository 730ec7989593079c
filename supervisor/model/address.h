// Where a listener listens, and its identity: two listeners are the same socket exactly when their
// identities are equal, whatever their names and their order in the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/operators.hpp>

#include "base/result.h"

namespace baton::model {

enum class Family { inet4, inet6, unix_path, unix_abstract };
BOOST_DESCRIBE_ENUM(Family, inet4, inet6, unix_path, unix_abstract)

struct Address {
    Family family = Family::inet4;
    // The canonical numeric address, the path, or the abstract name without its '@'.
    std::string host;
    std::uint16_t port = 0;
};
BOOST_DESCRIBE_STRUCT(Address, (), (family, host, port))
using boost::describe::operators::operator==;

// "127.0.0.1:80", "[::1]:80", "*:80" (0.0.0.0), "unix:/path", "unix:@name". Names are not resolved:
// what an address means must not depend on who answers a query at start.
Result<Address> parse_address(std::string_view text);
// The form parse_address reads.
std::string to_string(const Address& address);
bool is_unix(const Address& address);

}  // namespace baton::model
