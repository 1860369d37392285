// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The Belay authors
module oracle

go 1.26
