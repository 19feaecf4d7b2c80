/** Steps that can be undone and redone. */
export class History {
  #steps;
  #now = 0;

  constructor(first) {
    this.#steps = [first];
  }

  get now() {
    return this.#steps[this.#now];
  }

  get canUndo() {
    return this.#now > 0;
  }

  get canRedo() {
    return this.#now < this.#steps.length - 1;
  }

  /** A further step; what was undone is forgotten, and so is what is more than a hundred steps ago. */
  push(step) {
    if (step === this.now) return;
    this.#steps = [...this.#steps.slice(0, this.#now + 1), step].slice(-100);
    this.#now = this.#steps.length - 1;
  }

  undo() {
    if (this.canUndo) this.#now--;
    return this.now;
  }

  redo() {
    if (this.canRedo) this.#now++;
    return this.now;
  }
}
