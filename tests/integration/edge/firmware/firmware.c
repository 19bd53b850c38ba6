/* A firmware that reports what a test wants to see: VERSION, MODEL and BEHAVIOUR come from the compiler's command line. */
#include <stdint.h>

#define GOOD 0
#define HANG 1
#define HARD_FAULT 2
#define WRONG_BYTE 3
#define LOCKUP 4
#define NOISE 5

#define UART ((volatile uint32_t *)0x40004000) /* CMSDK: data, state (bit 0: transmitter full), control, -, divider */
#define TIMER ((volatile uint32_t *)0x40000000) /* CMSDK: control, value, reload */
#define VTOR (*(volatile uint32_t *)0xE000ED08)
#define CFSR (*(volatile uint32_t *)0xE000ED28)

extern uint32_t stack_top;
void reset(void);
void fault(void);

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault};

static void put(const char *text)
{
    for (; *text != 0; text++) {
        while (UART[1] & 1) {
        }
        UART[0] = (uint32_t)*text;
    }
}

static void put_number(uint32_t value)
{
    char digits[11];
    char *at = &digits[10];
    *at = 0;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    put(at);
}

static void put_hex(uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    const char text[3] = {digits[byte >> 4], digits[byte & 15], 0};
    put(text);
}

void fault(void)
{
    put("@tml fault kind=hard pc=0x21000abc cfsr=");
    put_number(CFSR);
    put("\n");
    for (;;) {
    }
}

/* Golden output of vector i: four bytes, 16 * i + 0..3. */
static void report_vector(uint32_t index)
{
    const uint32_t start = TIMER[1];
    volatile uint32_t work = 0;
    for (uint32_t i = 0; i < 400; i++) {
        work += i;
    }
    const uint32_t ticks = start - TIMER[1];
    put("@tml golden index=");
    put_number(index);
    put(" ticks=");
    put_number(ticks);
    put(" output=");
    for (uint32_t i = 0; i < 4; i++) {
        put_hex((uint8_t)(16 * index + i + (BEHAVIOUR == WRONG_BYTE && index == 1 && i == 2)));
    }
    put("\n");
}

void reset(void)
{
    VTOR = 0x21000200;
    UART[4] = 16;
    UART[2] = 1;
    TIMER[2] = 0xFFFFFFFF;
    TIMER[1] = 0xFFFFFFFF;
    TIMER[0] = 1;
    if (BEHAVIOUR == LOCKUP) {
        VTOR = 0x30000000;
        *(volatile uint32_t *)0xF0000000 = 1;
    }
    put("@tml boot version=" VERSION " board=mps2-an386 model=" MODEL " abi=00 vectors=2\n");
    if (BEHAVIOUR == HARD_FAULT) {
        *(volatile uint32_t *)0xF0000000 = 1;
    }
    if (BEHAVIOUR == NOISE) {
        put("@tml ready vectors=two\n");
    }
    while (BEHAVIOUR == HANG) {
    }
    report_vector(0);
    report_vector(1);
    put("@tml ready vectors=2 hz=25000000 arena=64 stack=128\n");
    put("idle\n");
    for (;;) {
        __asm__("wfi");
    }
}
