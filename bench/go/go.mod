// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors

module belay/bench

go 1.21
