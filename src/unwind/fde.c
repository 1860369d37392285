/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 The Belay authors */

/* unwind/fde.c - finds a function's call-frame entry in memory.
 *
 * _dl_find_object (glibc >= 2.35) says without a lock which module an address
 * belongs to; the module's .eh_frame_hdr is a sorted table over its .eh_frame
 * (LSB Core, "DWARF Extensions").  Tables are trusted: they came with the code
 * that they describe. */
#define _GNU_SOURCE
#include "unwind/unwind.h"

#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

enum {
    PE_OMIT = 0xff,
    PE_ABSPTR = 0x00,
    PE_ULEB = 0x01,
    PE_UDATA2 = 0x02,
    PE_UDATA4 = 0x03,
    PE_UDATA8 = 0x04,
    PE_SLEB = 0x09,
    PE_SDATA2 = 0x0a,
    PE_SDATA4 = 0x0b,
    PE_SDATA8 = 0x0c,
    PE_PCREL = 0x10,
    PE_DATAREL = 0x30,
    PE_ALIGNED = 0x50,
    PE_INDIRECT = 0x80,
};

uint64_t
bl__read_uleb(const uint8_t **p)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *(*p)++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return v;
}

int64_t
bl__read_sleb(const uint8_t **p)
{
    uint64_t v = 0;
    unsigned shift = 0;
    uint8_t byte;

    do {
        byte = *(*p)++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (shift < 64 && (byte & 0x40))
        v |= ~UINT64_C(0) << shift;
    return (int64_t)v;
}

/* Unaligned loads of the sizes that tables use. */
#define LOAD(type, p)                    \
    ({                                   \
        type load_;                      \
        memcpy(&load_, (p), sizeof load_); \
        load_;                           \
    })

uintptr_t
bl__read_pointer(const uint8_t **p, uint8_t encoding, uintptr_t base)
{
    const uint8_t *at = *p;
    uintptr_t v;

    if (encoding == PE_OMIT)
        return 0;
    if ((encoding & 0x70) == PE_ALIGNED) {
        at = (const uint8_t *)(((uintptr_t)at + 7) & ~(uintptr_t)7);
        *p = at + sizeof(uintptr_t);
        return LOAD(uintptr_t, at);
    }
    switch (encoding & 0x0f) {
    case PE_ABSPTR:
    case PE_UDATA8:
    case PE_SDATA8:
        v = LOAD(uintptr_t, at);
        *p = at + 8;
        break;
    case PE_ULEB:
        v = bl__read_uleb(p);
        break;
    case PE_SLEB:
        v = (uintptr_t)bl__read_sleb(p);
        break;
    case PE_UDATA2:
        v = LOAD(uint16_t, at);
        *p = at + 2;
        break;
    case PE_SDATA2:
        v = (uintptr_t)(intptr_t)LOAD(int16_t, at);
        *p = at + 2;
        break;
    case PE_UDATA4:
        v = LOAD(uint32_t, at);
        *p = at + 4;
        break;
    default:
        v = (uintptr_t)(intptr_t)LOAD(int32_t, at);
        *p = at + 4;
        break;
    }
    if (v == 0)
        return 0;
    if ((encoding & 0x70) == PE_PCREL)
        v += (uintptr_t)at;
    else if ((encoding & 0x70) != PE_ABSPTR)
        v += base;
    return encoding & PE_INDIRECT ? LOAD(uintptr_t, (const void *)v) : v;
}

/* Which module has pc: its .eh_frame_hdr, and an identity. */
struct module {
    const uint8_t *hdr; /* NULL: it has none */
    const void *id;
};

/* Modules that were there when we were loaded as one of them, with the
 * program: these stay until the process ends. */
enum { MAX_PINNED = 128 };
static const void *pinned[MAX_PINNED];
static int npinned;
static bool is_static; /* no module has a header: nothing is ever unloaded */

struct find_arg {
    uintptr_t pc;
    struct module *m;
};

/* dl_iterate_phdr callback, for C libraries without _dl_find_object. */
static int
find_in_module(struct dl_phdr_info *info, size_t size, void *p)
{
    struct find_arg *arg = p;
    const uint8_t *hdr = NULL;
    bool found = false;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type == PT_LOAD && arg->pc - start < ph->p_memsz)
            found = true;
        if (ph->p_type == PT_GNU_EH_FRAME)
            hdr = (const uint8_t *)start;
    }
    if (!found)
        return 0;
    arg->m->hdr = hdr;
    arg->m->id = hdr;
    return 1;
}

#pragma weak _dl_find_object

static bool
module_of(uintptr_t pc, struct module *m)
{
    if (_dl_find_object) {
        struct dl_find_object found;

        if (_dl_find_object((void *)pc, &found) != 0)
            return false;
        m->hdr = found.dlfo_eh_frame;
        m->id = found.dlfo_eh_frame;
        return true;
    }
    return dl_iterate_phdr(find_in_module, &(struct find_arg){pc, m});
}

static bool
is_pinned(const struct module *m)
{
    for (int i = 0; i < npinned; i++)
        if (pinned[i] == m->id)
            return true;
    return false;
}

static int
pin_module(struct dl_phdr_info *info, size_t size, void *p)
{
    (void)size;
    (void)p;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME && npinned < MAX_PINNED)
            pinned[npinned++] =
                (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return 0;
}

static int
read_unloads(struct dl_phdr_info *info, size_t size, void *p)
{
    (void)size;
    *(unsigned long long *)p = info->dlpi_subs;
    return 1;
}

unsigned long long
bl__unloads(void)
{
    unsigned long long n = 0;

    dl_iterate_phdr(read_unloads, &n);
    return n;
}

/* Whether a frame of the program's own is on the stack: not while the loader or
 * the C library runs our constructor before main; but in main's dlopen().  The three
 * innermost frames are this function, bl__unwind_init and the constructor. */
static __attribute__((noinline)) bool
is_called_by_program(void)
{
    struct bl__ctx ctx;
    struct bl__rule rule;
    struct module m;

    bl__here(&ctx);
    for (int i = 0; i < 256; i++) {
        uintptr_t at = bl__ctx_at(&ctx);

        if (!bl__step(&ctx, &rule))
            return false; /* _start is the program's, but the outermost frame */
        if (i >= 3 && module_of(at, &m) && m.hdr && m.id == pinned[0])
            return true;
    }
    return true;
}

/* If we came with the program, every module there is now came with it too.  Else
 * only the program itself, which is the first, is sure to stay. */
__attribute__((noinline)) void
bl__unwind_init(void)
{
    int n;

    dl_iterate_phdr(pin_module, NULL);
    n = npinned;
    is_static = n == 0;
    npinned = 0; /* no rule found now may be taken for one that stays */
    npinned = n > 1 && is_called_by_program() ? 1 : n;
}

/* Finds the greatest table entry that starts at or before pc.  Returns NULL if
 * the module has no sorted table or pc is before its first entry. */
static const uint8_t *
search_table(const uint8_t *hdr, uintptr_t pc)
{
    const uint8_t *p = hdr + 4;
    uintptr_t count;
    size_t lo = 0, hi;

    if (hdr[0] != 1 || hdr[2] == PE_OMIT || hdr[3] != (PE_DATAREL | PE_SDATA4))
        return NULL;
    bl__read_pointer(&p, hdr[1], (uintptr_t)hdr); /* .eh_frame itself */
    count = bl__read_pointer(&p, hdr[2], (uintptr_t)hdr);
    if (count == 0 || pc < (uintptr_t)hdr + (uintptr_t)(intptr_t)LOAD(int32_t, p))
        return NULL;
    hi = count;
    while (hi - lo > 1) { /* entry lo starts at or before pc, entry hi does not */
        size_t mid = lo + (hi - lo) / 2;
        uintptr_t start =
            (uintptr_t)hdr + (uintptr_t)(intptr_t)LOAD(int32_t, p + 8 * mid);

        if (start <= pc)
            lo = mid;
        else
            hi = mid;
    }
    return hdr + LOAD(int32_t, p + 8 * lo + 4);
}

struct cie {
    uint8_t fde_encoding, lsda_encoding;
    bool has_augmentation;
};

/* Reads the CIE at p into fde and cie.  Returns false for a version or an
 * augmentation that it does not know. */
static bool
read_cie(const uint8_t *p, struct bl__fde *fde, struct cie *cie)
{
    uint32_t length = LOAD(uint32_t, p);
    const char *aug;
    uint8_t version;

    fde->cie_end = p + 4 + length;
    p += 8;
    version = *p++;
    aug = (const char *)p;
    p += strlen(aug) + 1;
    if (version != 1 && version != 3)
        return false;
    fde->code_align = bl__read_uleb(&p);
    fde->data_align = bl__read_sleb(&p);
    fde->ra = (uint8_t)bl__reg_index(version == 1 ? *p++ : bl__read_uleb(&p));
    cie->fde_encoding = PE_ABSPTR;
    cie->lsda_encoding = PE_OMIT;
    cie->has_augmentation = *aug == 'z';
    fde->personality = 0;
    fde->is_signal = false;
    fde->cie_code = p;
    if (*aug == 'z') {
        uint64_t size = bl__read_uleb(&p);

        fde->cie_code = p + size;
        aug++;
    }
    for (; *aug; aug++) {
        if (*aug == 'R') {
            cie->fde_encoding = *p++;
        } else if (*aug == 'L') {
            cie->lsda_encoding = *p++;
        } else if (*aug == 'P') {
            uint8_t encoding = *p++;

            fde->personality = bl__read_pointer(&p, encoding, 0);
        } else if (*aug == 'S') {
            fde->is_signal = true;
        } else if (*aug != 'B') { /* B: aarch64, return address signed by key B */
            return false;
        }
    }
    fde->pointer_encoding = cie->fde_encoding;
    return true;
}

/* Reads the FDE at p.  Returns false if it is a CIE or a terminator. */
static bool
read_fde(const uint8_t *p, struct bl__fde *fde)
{
    uint32_t length = LOAD(uint32_t, p), back = LOAD(uint32_t, p + 4);
    struct cie cie;

    if (length == 0 || length == UINT32_MAX || back == 0)
        return false;
    if (!read_cie(p + 4 - back, fde, &cie))
        return false;
    fde->code_end = p + 4 + length;
    p += 8;
    fde->start = bl__read_pointer(&p, cie.fde_encoding, 0);
    fde->end = fde->start + bl__read_pointer(&p, cie.fde_encoding & 0x0f, 0);
    fde->lsda = NULL;
    if (cie.has_augmentation) {
        uint64_t size = bl__read_uleb(&p);
        const uint8_t *q = p;

        fde->lsda = (const uint8_t *)bl__read_pointer(&q, cie.lsda_encoding, 0);
        p += size;
    }
    fde->code = p;
    return true;
}

/* Walks .eh_frame from its beginning: for modules without a sorted table. */
static bool
scan(const uint8_t *hdr, uintptr_t pc, struct bl__fde *fde)
{
    const uint8_t *p = hdr + 4;

    p = (const uint8_t *)bl__read_pointer(&p, hdr[1], (uintptr_t)hdr);
    for (; p && LOAD(uint32_t, p) != 0; p += 4 + LOAD(uint32_t, p))
        if (read_fde(p, fde) && pc >= fde->start && pc < fde->end)
            return true;
    return false;
}

/* Code that no module's header describes: a program linked with -static has
 * registered its tables with libgcc, and so may a just-in-time compiler.  The
 * three words are libgcc's struct dwarf_eh_bases. */
extern const void *_Unwind_Find_FDE(const void *pc, void *bases[3]);

/* libgcc may have a lock meanwhile: whoever interrupts it here must not come again. */
static _Thread_local bool is_asking __attribute__((tls_model("initial-exec")));

static bool
ask_libgcc(uintptr_t pc, struct bl__fde *fde)
{
    void *bases[3];
    const uint8_t *p;

    if (is_asking)
        return false;
    is_asking = true;
    atomic_signal_fence(memory_order_seq_cst);
    p = _Unwind_Find_FDE((void *)pc, bases);
    atomic_signal_fence(memory_order_seq_cst);
    is_asking = false;
    return p && read_fde(p, fde) && pc >= fde->start && pc < fde->end;
}

bool
bl__fde_find(uintptr_t pc, struct bl__fde *fde)
{
    struct module m;
    const uint8_t *p;

    if (pc < 4096)
        return false;
    fde->is_pinned = false;
    if (!module_of(pc, &m))
        return ask_libgcc(pc, fde);
    if (!m.hdr) {
        fde->is_pinned = is_static;
        return ask_libgcc(pc, fde);
    }
    p = search_table(m.hdr, pc);
    fde->is_pinned = is_pinned(&m);
    if (p)
        return read_fde(p, fde) && pc >= fde->start && pc < fde->end;
    if (m.hdr[0] == 1 && m.hdr[2] == PE_OMIT)
        return scan(m.hdr, pc, fde);
    return false;
}
