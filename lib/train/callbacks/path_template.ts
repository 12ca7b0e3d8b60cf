/** Paths with placeholders, as Keras writes them: `model-{epoch:02d}-{val_loss:.3f}.safetensors`. */
import { GradstepError, optionError } from '../../errors.js';
import { unknownName, type Check } from '../../options.js';

export const filePath: Check<string> = (value, name) => {
  if (typeof value !== 'string' || value === '') throw optionError(name, 'path of a file', value);
  return value;
};

const PLACEHOLDER = /\{([^{}]*)\}/g;
const FORMAT = /^([^:]+)(?::(?:(0?)(\d*)d|\.(\d{1,2})f))?$/;

/** A path's placeholders filled with numbers. */
export class PathTemplate {
  /** @param where the option, for messages */
  constructor(
    private readonly where: string,
    private readonly template: string,
  ) {
    const rest = template.replace(PLACEHOLDER, '');
    const isWrong = [...template.matchAll(PLACEHOLDER)].some(([, inner]) => !FORMAT.test(inner!));
    if (isWrong || /[{}]/.test(rest))
      throw optionError(where, 'path with placeholders such as {epoch:02d} or {val_loss:.3f}', template);
  }

  /** `{name}` gives a number as it is, `{name:03d}` an integer of so many digits, `{name:.2f}` so many places behind the point. */
  fill(values: Readonly<Record<string, number>>): string {
    return this.template.replace(PLACEHOLDER, (_, inner: string) => {
      const [, name, fill, width, places] = FORMAT.exec(inner)!;
      const value: unknown = Object.hasOwn(values, name!) ? values[name!] : undefined;
      if (value === undefined) throw unknownName('placeholder', name!, this.where, Object.keys(values));
      if (typeof value !== 'number') throw optionError(`{${name}} in ${this.where}`, 'key of a number', value);
      if (places !== undefined) return value.toFixed(Number(places));
      if (width === undefined) return String(value);
      if (!Number.isInteger(value))
        throw new GradstepError('ERR_OPTION', `Expected {${name}:.2f} or the like in ${this.where}, as ${name} is ${value}`);
      return String(value).padStart(Number(width), fill === '0' ? '0' : ' ');
    });
  }
}
