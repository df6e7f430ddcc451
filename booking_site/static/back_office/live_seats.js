// Follows the seats of a show: by the stream of the live process, and by polling without it.

const POLL_SECONDS = 3;
// While the stream is open: a connection can break without the browser noticing.
const CHECK_SECONDS = 30;

// Call `show` with the state of each seat that is not free, by id, at once and after changes.
// Call `replaced` if the seats or their prices have changed since the page was opened.
// `streamUrl` is empty if the site has no live process. A hidden page neither listens nor polls.
function followSeats({ pollUrl, streamUrl, show, replaced }) {
  let taken = {}; // what `show` got last; replaced, never changed
  let etag = null; // of `taken`, if it came from a poll
  let lastResponse = 0;
  let stream = null;
  let layout = null; // the fingerprint that the stream sent first

  const replace = (states, tag = null) => {
    taken = states;
    etag = tag;
    lastResponse = Date.now();
    show(taken);
  };

  const poll = async () => {
    const before = taken;
    const answer = await fetch(pollUrl, { headers: etag ? { "If-None-Match": etag } : {} });
    const found = answer.status === 200 ? await answer.json() : null;
    if (taken !== before) return; // an event came in the meantime, and may be newer
    if (found) replace(found.taken, answer.headers.get("ETag"));
    else lastResponse = Date.now();
  };

  const listen = () => {
    // Browsers reconnect by themselves, except after a status other than 200, such as a proxy's
    // 502 while the live process restarts.
    if (stream && stream.readyState !== EventSource.CLOSED) return;
    stream = new EventSource(streamUrl);
    const statesOf = ({ data }) => JSON.parse(data).map(({ id, state }) => [id, state]);
    stream.addEventListener("end", () => {
      stream.close();
      streamUrl = ""; // the show is over, so another stream would end as well
    });
    stream.addEventListener("layout", ({ data }) => {
      layout ??= data;
      if (data !== layout) replaced();
    });
    stream.addEventListener("map", (event) => replace(Object.fromEntries(statesOf(event))));
    stream.addEventListener("seats", (event) => {
      const states = Object.entries({ ...taken, ...Object.fromEntries(statesOf(event)) });
      replace(Object.fromEntries(states.filter(([, state]) => state !== "available")));
    });
  };

  const refresh = async () => {
    if (document.hidden) return;
    if (streamUrl) listen();
    const isLive = stream?.readyState === EventSource.OPEN;
    if (isLive && Date.now() - lastResponse < CHECK_SECONDS * 1000) return;
    await poll().catch(() => {}); // after a network error, the next call tries again
  };

  const refreshRegularly = async () => {
    await refresh();
    setTimeout(refreshRegularly, POLL_SECONDS * 1000);
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stream?.close();
    else refresh();
  });
  refreshRegularly();
}
