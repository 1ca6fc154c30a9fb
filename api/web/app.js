// app.js — logs in with a token or with the code of a link, says who is logged in.

const main = document.querySelector("main");

function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
}

function call(method, path, headers, body) {
    return fetch(path, { method, body, headers: { "X-Posthorn": "1", ...headers } });
}

async function reasonOf(answer) {
    try {
        return (await answer.json()).message;
    } catch {
        return `the server answered ${answer.status}`;
    }
}

function showLogin(why) {
    const token = element("input", {
        id: "token", type: "password", autocomplete: "off", required: true,
    });
    const form = element("form", {},
        element("label", { htmlFor: "token" }, "Token"), token,
        element("button", {}, "Log in"));
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        logIn({ Authorization: `token ${token.value.trim()}` });
    });
    main.replaceChildren(element("h1", {}, "posthorn"),
        element("p", { role: "status" }, why), form);
}

async function logIn(headers, body) {
    const answer = await call("POST", "/dashboard/session", headers, body);
    if (answer.ok) {
        await showSession();
    } else {
        showLogin(await reasonOf(answer));
    }
}

async function logOut() {
    const answer = await call("DELETE", "/dashboard/session");
    showLogin(answer.ok ? "You are logged out." : await reasonOf(answer));
}

async function showSession() {
    const answer = await call("GET", "/api/session");
    if (!answer.ok) {
        showLogin("");
        return;
    }
    const session = await answer.json();
    const button = element("button", {}, "Log out");
    button.addEventListener("click", logOut);
    main.replaceChildren(element("h1", {}, "posthorn"),
        element("p", { role: "status" }, session.admin
            ? "You are the administrator."
            : `You see the organization ${session.org}.`), button);
}

const code = location.pathname === "/dashboard/login" ? location.hash.slice(1) : "";
if (code !== "") {
    history.replaceState(null, "", "/dashboard");
    logIn({ "Content-Type": "application/json" }, JSON.stringify({ code }));
} else {
    showSession();
}
