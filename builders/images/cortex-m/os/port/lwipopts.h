/* lwIP 2.1.3 as the device OS needs it: IPv4, ARP, DHCP, ICMP and UDP from one loop, no system, fixed memory. */
#ifndef PORT_LWIPOPTS_H
#define PORT_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0 /* the stack is driven from the loop alone */
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TCP 0
#define LWIP_UDP 1
#define LWIP_RAW 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_CHECK_LINK_UP 0
#define DHCP_DOES_ARP_CHECK 0 /* it would cost a second at every start */
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_STATS 0
#define LWIP_NETIF_API 0

/* Nothing here is larger than a frame: a datagram of several fragments is none of ours. */
#define IP_REASSEMBLY 0
#define IP_FRAG 0

#define MEM_ALIGNMENT 4
#define MEM_SIZE 8192 /* frames on their way out, and the state of DHCP */
#define MEMP_NUM_PBUF 8
#define MEMP_NUM_UDP_PCB 3 /* DHCP, ours, and the one that listens */
#define MEMP_NUM_SYS_TIMEOUT 8
#define PBUF_POOL_SIZE 10 /* more than datagrams that wait to be taken */
#define PBUF_POOL_BUFSIZE 1536 /* a frame in one piece */

#define CHECKSUM_CHECK_UDP 1
#define CHECKSUM_CHECK_IP 1

#endif
