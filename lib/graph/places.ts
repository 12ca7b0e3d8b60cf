/**
 * Places in models that the error flag can name: a kernel that finds wrong data leaves a number (see native/core/state.h),
 * and this says which layer that is and what it expected.
 */

export interface Place {
  /** The layer's path. */
  readonly layer: string;
  /** What the data should have been: `indices from 0 to 9`. */
  readonly expected: string;
  /** What the rows are those of: of `x`, of the step's batch in whatever way it is used, or of indices alone. Default `x`. */
  readonly of?: 'batch' | 'indices';
}

/** The flag has room for so many. */
const MOST = 0x7fffff;

const places: Place[] = [];
const numbers = new Map<string, number>();

/** The number of a place, from 1 on; 0, no place, once there are too many. */
export function placeNumber(place: Place): number {
  const key = `${place.layer}\n${place.expected}\n${place.of ?? 'x'}`;
  const known = numbers.get(key);
  if (known !== undefined) return known;
  if (places.length >= MOST) return 0;
  places.push(place);
  numbers.set(key, places.length);
  return places.length;
}

/** The place of a number. */
export function placeOf(number: number): Place | undefined {
  return places[number - 1];
}
