document.getElementById("app").textContent = "skai-server";
