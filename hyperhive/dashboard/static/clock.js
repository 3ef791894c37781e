// Times in the reader's own zone, and remaining time that runs. The figures are the server's; the
// browser's clock only counts on from the moment they arrived.

let ends = new WeakMap();

export function tick(fresh = false) {
  if (fresh) ends = new WeakMap();
  for (const element of document.querySelectorAll("[data-seconds]")) countDown(element);
  for (const element of document.querySelectorAll("time[datetime]")) localise(element);
}

setInterval(tick, 1000);

function countDown(element) {
  if (!ends.has(element)) ends.set(element, Date.now() + Number(element.dataset.seconds) * 1000);
  const left = Math.max(0, Math.round((ends.get(element) - Date.now()) / 1000));
  put(element, left > 0 ? `${words(left)} left` : "time is up");
}

function words(seconds) {
  const steps = [
    [86_400, "d", 3_600, "h"],
    [3_600, "h", 60, "min"],
    [60, "min", 1, "s"],
  ];
  for (const [size, unit, small, smallUnit] of steps) {
    if (seconds < size) continue;
    const rest = Math.floor((seconds % size) / small);
    return `${Math.floor(seconds / size)} ${unit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
  }
  return `${seconds} s`;
}

function localise(element) {
  const time = new Date(element.dateTime);
  const clock = time.toLocaleTimeString();
  const today = time.toDateString() === new Date().toDateString();
  put(element, today ? clock : `${time.toLocaleDateString()} ${clock}`);
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
