#!/bin/sh
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The Belay authors
exec "$SOURCE/scripts/layers.sh"
