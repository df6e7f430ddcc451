// The interactive documentation: Swagger UI, which stays logged in and fills in request values.
"use strict";

const main = document.getElementById("swagger-ui");
const demoLogin = document.getElementById("demo-login");
const loginStatus = document.getElementById("login-status");
const darkMode = matchMedia("(prefers-color-scheme: dark)");
const JSON_TYPE = "application/json";
// Calls that answer with a token for the calls that follow.
const TOKEN_CALLS = /\/api\/auth\/(login|register|guest|refresh)$/;
const PURCHASE = ["/api/bookings", "post"];

let ui;

function followTheme() {
  document.documentElement.classList.toggle("dark-mode", darkMode.matches);
}

function randomKey() {
  // Browsers offer randomUUID on HTTPS and localhost only.
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

function renewIdempotencyKey() {
  ui.specActions.changeParam(PURCHASE, "Idempotency-Key", "header", randomKey(), false);
}

function useToken(token) {
  const schema = ui.specSelectors.securityDefinitions().get("bearer");
  ui.authActions.authorizeWithPersistOption({ bearer: { name: "bearer", schema, value: token } });
}

function afterResponse(response) {
  const path = new URL(response.url, location.href).pathname;
  if (response.ok && response.obj?.token && TOKEN_CALLS.test(path)) useToken(response.obj.token);
  // The purchase is complete. After a refusal, the same key can be sent again.
  if (response.status === 201 && path === PURCHASE[0]) renewIdempotencyKey();
  return response;
}

async function logInAsDemoCustomer() {
  const { email, password } = demoLogin.dataset;
  const response = await fetch("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": JSON_TYPE },
    body: JSON.stringify({ email, password }),
  });
  const answer = await response.json();
  if (response.ok) useToken(answer.token);
  loginStatus.textContent = response.ok ? `Logged in as ${email}.` : answer.message;
}

async function getJson(path) {
  const response = await fetch(path, { headers: { Accept: JSON_TYPE } });
  return response.json();
}

function requestBody(spec, path) {
  return spec.paths[path].post.requestBody.content[JSON_TYPE];
}

// Shows the three forms of a purchase by name.
function nameShapesOfPurchase(spec) {
  const body = requestBody(spec, PURCHASE[0]);
  const { show_id, seat_ids } = body.example;
  const hold_id = spec.paths["/api/holds/{id}"].get.parameters.find(({ name }) => name === "id").example;
  body.examples = {
    "One seat": { value: { show_id, seat_id: seat_ids[0] } },
    "Several seats": { value: { show_id, seat_ids } },
    "The seats of a hold": { value: { hold_id } },
  };
  delete body.example;
}

// Shortens each error to its line of text: every error has the same form and headers.
function shortenErrors(spec) {
  const operations = Object.values(spec.paths).flatMap((path) => Object.values(path));
  for (const responses of [spec.components.responses, ...operations.map((each) => each.responses ?? {})]) {
    for (const response of Object.values(responses)) {
      if (!response.content?.["application/problem+json"]) continue;
      delete response.content;
      delete response.headers;
    }
  }
}

// The first two of four available seats side by side in the latest show, or null.
async function availableSeats() {
  const show = (await getJson("/api/shows?page_size=100")).at(-1);
  if (!show) return null;
  const seats = await getJson(`/api/shows/${show.id}/seats`);
  const isFree = (seat, row) => seat?.row === row && seat.status === "available" && seat.category === "standard";
  const start = seats.findIndex(({ row }, index) => [0, 1, 2, 3].every((next) => isFree(seats[index + next], row)));
  return start < 0 ? null : { show_id: show.id, seat_ids: [seats[start].id, seats[start + 1].id] };
}

// The examples of the schema name seats of a new demo; these name seats that are still on sale.
function useSeats(spec, { show_id, seat_ids }) {
  requestBody(spec, PURCHASE[0]).example = { show_id, seat_ids };
  requestBody(spec, "/api/holds").example = { show_id, quantity: 2 };
  for (const [path, operations] of Object.entries(spec.paths)) {
    if (!path.startsWith("/api/shows/{")) continue;
    for (const parameter of operations.get.parameters) if (parameter.in === "path") parameter.example = show_id;
  }
}

async function start() {
  followTheme();
  darkMode.addEventListener("change", followTheme);
  demoLogin?.addEventListener("click", logInAsDemoCustomer);
  const spec = await getJson(main.dataset.schema);
  const seats = demoLogin && (await availableSeats());
  if (seats) useSeats(spec, seats);
  delete spec.servers; // Swagger UI would show a menu of servers, with this site as its only entry
  nameShapesOfPurchase(spec);
  shortenErrors(spec);
  ui = SwaggerUIBundle({
    spec,
    domNode: main,
    deepLinking: true,
    persistAuthorization: true,
    defaultModelsExpandDepth: 0,
    responseInterceptor: afterResponse,
    onComplete: () => renewIdempotencyKey(),
  });
}

start();
