/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* The page's parts, as they are in their files; -I says where these are. */
    .section .rodata
    .macro asset name, file
    .globl flame_\name, flame_\name\()_end
flame_\name:
    .incbin "\file"
flame_\name\()_end:
    .byte 0
    .endm

    asset html, "page.html"
    asset css, "page.css"
    asset js, "page.js"

    .section .note.GNU-stack, "", %progbits
