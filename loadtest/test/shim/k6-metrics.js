import { record } from './record.js';

class Metric {
  constructor(name) {
    this.name = name;
    record(name);
  }
  add(value, tags = {}) {
    record(this.name, value, tags);
  }
}

export { Metric as Counter, Metric as Rate, Metric as Trend };
