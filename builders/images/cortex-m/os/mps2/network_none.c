/* Until a network side is linked, there is none. */
#include "core/network.h"

__attribute__((weak)) int network_start(const struct provisioning *page)
{
    (void)page;
    return OS_OK;
}

__attribute__((weak)) void network_poll(void)
{
}

__attribute__((weak)) bool network_idle(void)
{
    return true;
}
