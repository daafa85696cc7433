// The tokenizer is part of the public API; this name is kept until everything includes that one.
#pragma once

#include "attend/tokenizer.h"
