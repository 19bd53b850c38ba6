/* Text written piece by piece into a buffer that it never leaves; always ended by a zero. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

struct text {
    char *start;
    uint32_t size, length;
    bool cut; /* something did not fit */
};

struct text text_into(char *start, uint32_t size);
void text_add(struct text *text, const char *more);
void text_number(struct text *text, uint32_t value);
void text_word(struct text *text, uint32_t value); /* 0x and eight hex digits */
void text_hex(struct text *text, const uint8_t *bytes, uint32_t count);
uint32_t text_length(const char *text);
bool text_same(const char *left, const char *right);

#endif
