import { PealClient } from "../../sdk/src/index";
console.log(PealClient);
