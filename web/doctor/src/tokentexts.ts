/** What is wrong with a token, and how to mend it, in English and Chinese. */

export const tokenEn = {
  tokenNoKid: "The token does not say by kid with which key it is signed.",
  tokenKidType: "kid in the header of the token is not a string.",
  tokenKidAdvice:
    "Have the backend write the server's --key-id as kid into the header of the token, as a string.",
  tokenWrapped: "The text has more than the token: the word Bearer, quotes or blanks around it.",
  tokenWrappedAdvice: "Paste the token alone.",
  tokenNoJwt: "The text is not a whole JWT.",
  tokenNoJwtAdvice:
    "Paste the very text that the backend's JWT library makes: three parts with dots between them.",
  tokenAlg: "The token is not signed by HS256.",
  tokenAlgAdvice:
    "Have the backend sign by HS256 and name it: some libraries choose HS384 or HS512 for a long secret.",
  tokenCrit: "The header of the token has crit.",
  tokenCritAdvice: "Have the backend leave crit out.",
  tokenLarge: "The token is too large.",
  tokenLargeAdvice: "Have the backend leave out the claims that Peal does not read.",
  tokenSub: "The token names no valid account by sub.",
  tokenSubAdvice:
    "Have the backend write the account as sub: a string of 1 to 128 bytes of printable text, without blanks around it.",
  tokenDates: "The token does not say by exp, as it has to, when it expires.",
  tokenDatesAdvice:
    "Have the backend write exp, iat and nbf as numbers of seconds since 1970, not as texts or milliseconds; ten minutes ahead are enough for exp.",
  tokenAud: "The token is not for this server: its aud is another.",
  tokenAudAdvice:
    "Have the backend write the audience that the server is given as aud: a string, or a list of strings.",
  tokenClaim: (claim: string) => `The claim ${claim} of the token is not valid.`,
  tokenNameAdvice:
    "Have the backend write name as one line of at most 64 bytes of UTF-8, or leave it out.",
  tokenAvatarAdvice:
    "Have the backend write avatar as an absolute https URL of at most 512 bytes, or leave it out.",
  tokenClaimAdvice:
    "Have the backend write this claim in the type that the server expects, or leave it out.",
};

export const tokenZh: typeof tokenEn = {
  tokenNoKid: "token 没有用 kid 说明由哪个密钥签名。",
  tokenKidType: "token 头部的 kid 不是字符串。",
  tokenKidAdvice: "请让后端把服务器的 --key-id 以字符串写进 token 头部的 kid。",
  tokenWrapped: "除了 token 还有别的内容：Bearer 一词、引号或首尾空白。",
  tokenWrappedAdvice: "请只粘贴 token 本身。",
  tokenNoJwt: "这段文字不是完整的 JWT。",
  tokenNoJwtAdvice: "请粘贴后端的 JWT 库生成的原文：用点分隔的三段。",
  tokenAlg: "token 不是用 HS256 签名的。",
  tokenAlgAdvice: "请让后端明确指定 HS256：有的库遇到较长的密钥会改用 HS384 或 HS512。",
  tokenCrit: "token 的头部有 crit。",
  tokenCritAdvice: "请让后端去掉 crit。",
  tokenLarge: "token 太大。",
  tokenLargeAdvice: "请让后端去掉 Peal 不读取的声明。",
  tokenSub: "token 的 sub 不是有效的账号。",
  tokenSubAdvice: "请让后端把账号写进 sub：1 到 128 字节的可显示字符，首尾没有空白。",
  tokenDates: "token 没有用 exp 正确说明何时过期。",
  tokenDatesAdvice:
    "请让后端把 exp、iat 和 nbf 写成自 1970 年起的秒数，不要写成文字或毫秒；exp 设为十分钟之后就够了。",
  tokenAud: "token 不是给这台服务器的：aud 不符。",
  tokenAudAdvice: "请让后端把服务器所设的受众写进 aud：一个字符串，或字符串的列表。",
  tokenClaim: (claim) => `token 的声明 ${claim} 无效。`,
  tokenNameAdvice: "请让后端把 name 写成一行、最多 64 字节的 UTF-8 文字，或不写。",
  tokenAvatarAdvice: "请让后端把 avatar 写成最多 512 字节的完整 https 网址，或不写。",
  tokenClaimAdvice: "请让后端按服务器要求的类型写这个声明，或不写。",
};
