/** The folder with TensorBoard's reader of event files; installs it where it is not there. */
export function tensorboard(): string;
