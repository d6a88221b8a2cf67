/** The version of the component. */
export const version = "0.1.0";
