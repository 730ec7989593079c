// How long a supervisor that cannot answer, or not finally, is asked again: counted from the first time on.
#pragma once

#include "base/time.h"

namespace baton::cli {

class Patience {
  public:
    // Waits a little, unless it has been too long; then false.
    bool try_again();
    bool tried() const { return deadline_ != never; }
    // Somebody is there and at work: the time begins anew.
    void renew() { deadline_ = never; }

  private:
    Millis deadline_ = never;
};

}  // namespace baton::cli
