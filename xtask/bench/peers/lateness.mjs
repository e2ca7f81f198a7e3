// Records when the first `expected` jobs start, and then prints a JSON array of [number, start, due], in Unix milliseconds.

// Returns a function for the handler of a job, which takes the job's body, and when the job is due, if the handler knows that.
export function recorder(expected) {
  const starts = [];
  return ({ order }, due = null) => {
    starts.push([order.number, Date.now(), due]);
    if (starts.length === expected) console.log(JSON.stringify(starts));
  };
}
