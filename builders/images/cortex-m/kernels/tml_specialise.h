/* Kernels that are defined in headers: the generated code takes a copy for each layer, in which the layer's parameters
 * are literals. One copy for all layers was tried, and was larger up to a dozen layers of a kind, and slower always. */
#ifndef TML_SPECIALISE_H
#define TML_SPECIALISE_H

/* A kernel, and a part of one. */
#define TML_KERNEL static inline __attribute__((always_inline, unused))
#define TML_PART static inline __attribute__((always_inline, unused))

/* The function of a layer. GCC must conclude nothing from its body: 12.2 takes some for `const`, by its own addresses
 * from ivopts (`MEM[0 + ...]` of a strided copy inside the arena), and its callers then drop the call, or read the arena
 * too early. */
#define TML_LAYER static __attribute__((noipa))

#endif
