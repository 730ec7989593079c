// The heads of HTTP/1 messages, read strictly: what two programs might understand differently is refused,
// never repaired, as that is what request smuggling lives on (RFC 9112, sections 2 to 6 and 11).
//
// Pure: bytes in, views of them out. Everything found points into the bytes that were given. One head is
// reused for many messages, so that reading allocates nothing once it has grown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baton::http {

struct Field {
    std::string_view name;
    std::string_view value;  // without the blanks around it
};

// The first field of this name (letters of either case), or null.
const Field* find(const std::vector<Field>& fields, std::string_view name);
// How many there are.
std::size_t count(const std::vector<Field>& fields, std::string_view name);
bool same(std::string_view one, std::string_view other);  // but for the case of letters
// Whether a comma-separated list has this token.
bool lists(std::string_view list, std::string_view token);

struct RequestHead {
    std::string_view method;
    std::string_view target;     // as it was sent
    std::string_view authority;  // of an absolute target, else of Host; may be empty with HTTP/1.0
    std::string_view path;       // with the query: what is sent on; "*" for OPTIONS of a server
    int major = 1;
    int minor = 1;               // of HTTP/1.x
    std::vector<Field> fields;
};

struct ResponseHead {
    int status = 0;
    std::string_view reason;
    int minor = 1;
    std::vector<Field> fields;
};

// How far a search for a head's end came, so that the next one need not begin again.
struct Scan {
    std::size_t scanned = 0;  // bytes, up to the last whole line
    std::size_t lines = 0;
};

// The size of the head, with the empty line that ends it.
// more  it is not all here.
// bad   a line ends without CR, or has a CR or a NUL within: nothing that follows can make it whole.
struct HeadEnd {
    enum class Kind { whole, more, bad } kind = Kind::more;
    std::size_t size = 0;
};
HeadEnd find_end(std::string_view bytes, Scan& scan);

// A whole head, from find_end. 0: it is well formed; else the status to answer with (400, 431, 501, 505).
int read(std::string_view bytes, RequestHead& head);
// False: it is malformed.
bool read(std::string_view bytes, ResponseHead& head);
// The fields of a trailer: whole lines, without the empty one.
bool read_fields(std::string_view bytes, std::vector<Field>& fields);
// Whether a field may stand in a trailer. One that says how a message is framed, where it goes, how it is to be
// understood or who has sent it may not: whoever merges a trailer with the head would believe it (RFC 9110, 6.5.1).
bool may_trail(std::string_view name);
// Leaves those that may not out of a trailer's lines. True: there were some.
bool purge_trailer(std::string& lines);

// Whether a request may be sent again when nobody knows if it was acted on (RFC 9110, section 9.2.2).
bool is_idempotent(std::string_view method);

}  // namespace baton::http
