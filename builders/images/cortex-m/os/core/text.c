/* Formats numbers and bytes. */
#include "core/text.h"

#define DECIMAL_DIGITS 10u /* of the largest uint32_t */

struct text text_into(char *start, uint32_t size)
{
    start[0] = '\0';
    return (struct text){start, size, 0, false};
}

static void put(struct text *text, char letter)
{
    if (text->length + 1 >= text->size) {
        text->cut = true;
        return;
    }
    text->start[text->length++] = letter;
    text->start[text->length] = '\0';
}

void text_add(struct text *text, const char *more)
{
    while (*more) {
        put(text, *more++);
    }
}

void text_number(struct text *text, uint32_t value)
{
    char digits[DECIMAL_DIGITS];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) {
        put(text, digits[--count]);
    }
}

void text_hex(struct text *text, const uint8_t *bytes, uint32_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t index = 0; index < count; index++) {
        put(text, digits[bytes[index] >> 4]);
        put(text, digits[bytes[index] & 15]);
    }
}

void text_word(struct text *text, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    text_add(text, "0x");
    text_hex(text, bytes, sizeof bytes);
}

uint32_t text_length(const char *text)
{
    uint32_t length = 0;
    while (text[length]) {
        length++;
    }
    return length;
}

bool text_same(const char *left, const char *right)
{
    while (*left && *left == *right) {
        left++;
        right++;
    }
    return *left == *right;
}
