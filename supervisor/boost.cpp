// The parts of Boost that can be compiled once are compiled here, so that no other file pays for them.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
