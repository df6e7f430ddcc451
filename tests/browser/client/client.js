// A client like the original one: plain fetch calls, a Bearer token from its storage on each, no
// refresh of tokens, and only the fields of the original API.

const api = new URLSearchParams(location.search).get("api");
const at = (id) => document.getElementById(id);
let me = JSON.parse(localStorage.getItem("user"));

const call = async (path, { method = "GET", body, headers = {} } = {}) => {
  const answer = await fetch(`${api}${path}`, {
    method,
    headers: {
      ...(body && { "Content-Type": "application/json" }),
      ...(me && { Authorization: `Bearer ${me.token}` }),
      ...headers,
    },
    body: body && JSON.stringify(body),
  });
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.message);
  return data;
};

const attempt = (work) => async (event) => {
  event?.preventDefault();
  try {
    await work(event);
  } catch (error) {
    at("message").textContent = error.message;
  }
};

const fill = (id, things, describe, onClick) => {
  at(id).replaceChildren(
    ...things.map((thing) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.textContent = describe(thing);
      button.addEventListener("click", attempt(() => onClick(thing)));
      item.append(button);
      return item;
    }),
  );
};

const showSeats = async (show) => {
  const seats = await call(`/api/shows/${show.id}/seats`);
  at("seats").replaceChildren(
    ...seats.map((seat) => {
      const button = document.createElement("button");
      button.textContent = `${seat.row}${seat.number} ${seat.price}`;
      button.dataset.status = seat.status;
      button.dataset.mine = seat.user_id === me.id;
      button.disabled = seat.status !== "available";
      button.addEventListener("click", attempt(() => book(show, seat)));
      return button;
    }),
  );
};

const book = async (show, seat) => {
  const { message, booking } = await call("/api/bookings", {
    method: "POST",
    headers: { "Idempotency-Key": crypto.randomUUID() },
    body: { show_id: show.id, seat_id: seat.id },
  });
  at("message").textContent = `${message} #${booking.id}`;
  await showSeats(show);
};

const showShows = async (movie) => {
  const shows = await call(`/api/movies/${movie.id}/shows`);
  const describe = (show) => `${show.theatre_name}, ${new Date(show.start_time).toISOString()}`;
  fill("shows", shows, describe, showSeats);
};

const showMovies = async () => {
  at("greeting").textContent = `${me.name} <${me.email}>`;
  const movies = await call("/api/movies");
  fill("movies", movies, (movie) => `${movie.title}: ${movie.description}`, showShows);
};

const signIn = (path) => async (event) => {
  const body = Object.fromEntries(new FormData(event.target));
  me = await call(path, { method: "POST", body });
  localStorage.setItem("user", JSON.stringify(me));
  await showMovies();
};

at("register").addEventListener("submit", attempt(signIn("/api/auth/register")));
at("login").addEventListener("submit", attempt(signIn("/api/auth/login")));
if (me) attempt(showMovies)();
