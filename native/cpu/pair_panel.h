// Panels (panel.h) of bfloat16: a word, of the size of a float, is two neighbours of the depth, the first one in its
// lower half. Only for processors with has_tiles() (tiles.h): they multiply pairs at twice the rate of float32.
#pragma once

#include "cpu/panel.h"

namespace gradstep::cpu {

// Words that so many neighbours are in.
constexpr int64_t pairs_of(int64_t n) { return (n + 1) / 2; }

// multiply_panel of words: rows, depth and what lies between them count words, c is float32.
void multiply_pair_panel(const Panel& p);

// words [pairs_of(rows)][lanes] = rows [rows][lanes], side by side in pairs; zeros beside a last one that has no other.
// lanes is a multiple of kPanelLanes.
void pack_row_pairs(float* words, const float* rows, int64_t lanes, int64_t count);

}  // namespace gradstep::cpu
