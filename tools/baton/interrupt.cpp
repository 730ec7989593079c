#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>

namespace baton::cli {
namespace {

// Read by the handler; set before it can run.
const char* volatile parting_words = "";
volatile sig_atomic_t parting_status = 0;

void part(int) {
    const char* words = parting_words;
    static_cast<void>(::write(STDERR_FILENO, words, std::strlen(words)) + 1);
    ::_exit(parting_status);
}

}  // namespace

void on_interrupt(const char* farewell, int status) {
    parting_words = farewell;
    parting_status = status;
    struct sigaction action {};
    action.sa_handler = part;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace baton::cli
